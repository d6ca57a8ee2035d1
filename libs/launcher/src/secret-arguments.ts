/** A command line without its secrets, and what has to be put back where. */
export interface HiddenArguments {
  readonly visible: readonly string[]
  /** Position in the command line -> the argument that stood there. */
  readonly secrets: Readonly<Record<number, string>>
}

const PLACEHOLDER = '(hidden)'

/**
 * Takes the values of the given options (`--token x`, `--token=x`) out of a command line: every user of a machine
 * can read every process's command line. `-` means standard input and hides nothing.
 */
export function hideSecrets(args: readonly string[], options: readonly string[]): HiddenArguments {
  const visible = [...args]
  const secrets: Record<number, string> = {}
  for (const [index, argument] of args.entries()) {
    const inline = options.find((option) => argument.startsWith(`${option}=`))
    const isValue = index > 0 && options.includes(args[index - 1] ?? '')
    if (inline !== undefined) visible[index] = `${inline}=${PLACEHOLDER}`
    else if (isValue && argument !== '-') visible[index] = PLACEHOLDER
    else continue
    secrets[index] = argument
  }
  return { visible, secrets }
}

/** The command line as it was typed. */
export function revealSecrets({ visible, secrets }: HiddenArguments): readonly string[] {
  return visible.map((argument, index) => secrets[index] ?? argument)
}
