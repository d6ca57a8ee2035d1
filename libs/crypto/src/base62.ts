const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const VALUES = new Map(Array.from(DIGITS, (digit, value) => [digit, BigInt(value)]))

/** Bytes as one big-endian number in base 62, padded with `0` to `width` digits. */
export function toBase62(bytes: Uint8Array, width: number): string {
  let rest = BigInt(`0x0${Buffer.from(bytes).toString('hex')}`)
  let digits = ''
  for (; rest > 0n; rest /= 62n) digits = DIGITS.charAt(Number(rest % 62n)) + digits
  if (digits.length > width) throw new RangeError(`${bytes.length} bytes need more than ${width} digits`)
  return digits.padStart(width, '0')
}

/** The number back as `lengthBytes` bytes; `undefined` for another digit or a number too large for them. */
export function fromBase62(text: string, lengthBytes: number): Buffer | undefined {
  let number = 0n
  for (const digit of text) {
    const value = VALUES.get(digit)
    if (value === undefined) return undefined
    number = number * 62n + value
  }
  const hex = number.toString(16).padStart(lengthBytes * 2, '0')
  return hex.length > lengthBytes * 2 ? undefined : Buffer.from(hex, 'hex')
}
