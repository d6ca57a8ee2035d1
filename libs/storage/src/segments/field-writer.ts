/** Writes a UUID's 16 bytes. */
export function writeId(target: Buffer, offset: number, id: string): void {
  target.write(id.replaceAll('-', ''), offset, 16, 'hex')
}
