export { type ServerConfig, readConfig } from './config.js'
export { periodicChores } from './maintenance/chores.js'
