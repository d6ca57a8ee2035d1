const BLOCK_BYTES = 512
/** 1 January 2000: the same input gives the same archive, whenever it is packed. */
const MODIFIED_AT_SECONDS = 946_684_800

/**
 * A ustar archive (POSIX.1-1988, pax(1) "ustar Interchange Format") of regular files: [{path, mode, bytes}]. Sorted,
 * owned by root, of one fixed time. Folders are left out: tar makes them on the way.
 */
export function tar(files) {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1))
  const blocks = sorted.flatMap(({ path, mode, bytes }) => [
    header({ path, mode, size: bytes.length }),
    bytes,
    Buffer.alloc((BLOCK_BYTES - (bytes.length % BLOCK_BYTES)) % BLOCK_BYTES),
  ])
  // Two empty blocks end an archive.
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK_BYTES)])
}

function header({ path, mode, size }) {
  const block = Buffer.alloc(BLOCK_BYTES)
  const { prefix, name } = splitPath(path)
  block.write(name, 0, 100, 'utf8')
  block.write(octal(mode, 8), 100, 'latin1')
  block.write(octal(0, 8), 108, 'latin1')
  block.write(octal(0, 8), 116, 'latin1')
  block.write(octal(size, 12), 124, 'latin1')
  block.write(octal(MODIFIED_AT_SECONDS, 12), 136, 'latin1')
  // The checksum counts its own field as spaces.
  block.write(' '.repeat(8), 148, 'latin1')
  block.write('0', 156, 'latin1')
  // Magic and version: "ustar", NUL, "00".
  block.write('ustar\x0000', 257, 'latin1')
  block.write(prefix, 345, 155, 'utf8')
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

function octal(value, width) {
  return `${value.toString(8).padStart(width - 1, '0')}\0`
}

/** A name holds 100 bytes; of a longer path the folders go into `prefix`, which holds 155. */
function splitPath(path) {
  if (Buffer.byteLength(path) <= 100) return { prefix: '', name: path }
  for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) {
    const [prefix, name] = [path.slice(0, slash), path.slice(slash + 1)]
    if (Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(name) <= 100) return { prefix, name }
  }
  throw new Error(`this path is too long for a tar archive: ${path}`)
}
