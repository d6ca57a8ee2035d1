import { InvalidArgumentError } from 'commander'

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 }

/** A size as people write it, 512M or 2G, in bytes. */
export function parseBytes(text: string): number {
  const match = /^(\d+)([KMGT]?)(?:i?B)?$/i.exec(text.trim())
  const unit = UNITS[match?.[2]?.toUpperCase() ?? '']
  if (match?.[1] === undefined || unit === undefined) {
    throw new InvalidArgumentError('give a size such as 512M or 2G')
  }
  return Number(match[1]) * unit
}

/** A number of at least 0. */
export function parseNumber(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('give a number')
  return value
}
