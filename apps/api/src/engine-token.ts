/** Where modules find what the process was composed of. */
export const ENGINE = Symbol('engine')
/** The options the API was made with. */
export const API_OPTIONS = Symbol('api options')
