/** A value of a query. */
export type QueryValue = Uint8Array | string | number | boolean | Date | null

/** A statement that is not sent yet: the text around its values. */
export interface Statement {
  readonly text: TemplateStringsArray
  readonly values: readonly QueryValue[]
}

/** Writes a statement down; `Transaction.batch` sends several as one. */
export function statement(text: TemplateStringsArray, ...values: QueryValue[]): Statement {
  return { text, values }
}

const texts = new WeakMap<TemplateStringsArray, string>()

/** A statement's text with its parameters numbered; made once. */
export function statementText(text: TemplateStringsArray): string {
  const known = texts.get(text)
  if (known !== undefined) return known
  const made = text.reduce((before, piece, index) => `${before}$${index}${piece}`)
  texts.set(text, made)
  return made
}

const numbers = new WeakMap<TemplateStringsArray, number>()
const batches = new Map<string, string>()
let count = 0

/**
 * One text for several data-modifying statements, each a CTE of it. They see one snapshot, so none may touch a row that
 * another touches; foreign keys among them are checked at the end. The text depends on the statements only and is made once.
 */
export function batchText(statements: readonly Statement[]): string {
  const name = statements.map(({ text }) => numberOf(text)).join('.')
  const known = batches.get(name)
  if (known !== undefined) return known
  let parameter = 0
  const parts = statements.map(({ text }, index) => {
    const body = text.reduce((before, piece) => `${before}$${++parameter}${piece}`)
    return `s${index} as (${body})`
  })
  const made = `with ${parts.join(', ')} select 1 as done`
  batches.set(name, made)
  return made
}

function numberOf(text: TemplateStringsArray): number {
  const known = numbers.get(text)
  if (known !== undefined) return known
  numbers.set(text, ++count)
  return count
}
