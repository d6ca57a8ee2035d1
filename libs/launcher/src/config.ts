/** The environment, which a launcher hands on whole. */
export function environment(): Readonly<Record<string, string>> {
  const defined = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  )
  return Object.fromEntries(defined)
}

/** Reads a variable that the first stage left for the second, and removes it, so that nothing we start sees it. */
export function takeVariable(name: string): string | undefined {
  const value = process.env[name]
  Reflect.deleteProperty(process.env, name)
  return value
}
