/** Something could not be had or did not start; the message names it and says what to do. */
export class ServiceError extends Error {
  constructor(what, remedy, cause) {
    super(`${what}\n  remedy: ${remedy}`, { cause })
    this.name = 'ServiceError'
  }
}
