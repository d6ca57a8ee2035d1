/** What an element of an array parameter can be. */
export type ArrayElement = string | number | boolean | Uint8Array | Date | null

/**
 * An array parameter as Postgres reads it, for `${arrayLiteral(ids)}::uuid[]`. The driver would send a list of byte
 * strings as one byte string; text of our own needs no look-up of type ids either.
 */
export function arrayLiteral(elements: readonly ArrayElement[]): string {
  return `{${elements.map(elementLiteral).join(',')}}`
}

function elementLiteral(element: ArrayElement): string {
  if (element === null) return 'null'
  if (typeof element === 'number' || typeof element === 'boolean') return String(element)
  if (element instanceof Date) return element.toISOString()
  if (element instanceof Uint8Array) {
    const bytes = Buffer.from(element.buffer, element.byteOffset, element.length)
    return `"\\\\x${bytes.toString('hex')}"`
  }
  const plain = !element.includes('"') && !element.includes('\\')
  return plain ? `"${element}"` : `"${element.replace(/["\\]/g, '\\$&')}"`
}
