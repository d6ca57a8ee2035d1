export { decodeDocument, type Document, readDocument } from './decode-document.js'
export { encodeDocument, encodeSidecar, fitsDocument } from './encode-document.js'
export { metadataPath, namesOfMetadata } from './metadata-path.js'
export * from './path-key.js'
