export { type ServerConfig, readConfig } from './config.js'
