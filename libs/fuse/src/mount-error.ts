/** Mounting or unmounting failed; `code` is an errno's name, or what `fusermount3` failed with. */
export class FuseMountError extends Error {
  override name = 'FuseMountError'
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
