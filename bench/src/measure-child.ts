import { measureDirectory } from './operations.js'

const [directory, files, transferMiB] = process.argv.slice(2)
if (directory === undefined) throw new Error('measure-child DIRECTORY FILES MEBIBYTES')
const found = measureDirectory(directory, { files: Number(files), transferMiB: Number(transferMiB) })
process.stdout.write(JSON.stringify(found))
