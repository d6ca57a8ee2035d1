import { defineRoutes, SYNC_HEADERS } from './routes-definition.js'
import { changesQuery, feedQuery, partQuery, snapshotQuery } from './routes-queries.js'
import {
  changesPage,
  contentsAnswer,
  contentsRequest,
  missingPartsAnswer,
  missingPartsRequest,
  partAnswer,
  PUSH_BYTES_MAX,
  pushAnswer,
  pushRequest,
  snapshotPage,
} from './sync.js'

const HOME = '/v1/agents/{agent}'
const EPOCH = {
  'Agentfs-Epoch': 'The epoch the client is in; 410 `epoch_changed` where it is over.',
} as const
const STALE = ['not_found', 'client_too_old', 'epoch_changed', 'too_old'] as const

/** How a client keeps up (SYNC.md): snapshot, changes, feed, contents, push, parts. */
export const syncRoutes = defineRoutes({
  snapshot: {
    method: 'GET',
    path: `${HOME}/snapshot`,
    tag: 'Sync',
    summary: 'A page of the whole tree by node id',
    permission: 'reader',
    query: snapshotQuery,
    headers: SYNC_HEADERS,
    answers: { 200: { description: 'A page', schema: snapshotPage, wire: true, headers: SYNC_HEADERS } },
    problems: STALE,
  },
  changes: {
    method: 'GET',
    path: `${HOME}/changes`,
    tag: 'Sync',
    summary: 'Commits after an address, in order',
    permission: 'reader',
    query: changesQuery,
    headers: SYNC_HEADERS,
    answers: { 200: { description: 'Commits', schema: changesPage, wire: true, headers: SYNC_HEADERS } },
    problems: STALE,
  },
  feed: {
    method: 'GET',
    path: `${HOME}/feed`,
    tag: 'Sync',
    summary: 'WebSocket: commits in order from an address, with heartbeats',
    description:
      'Frames are binary MessagePack (FeedFrame); the client sends FeedClientFrame to renew its token. ' +
      'Close code 1013 asks to come back and resume, 4401 says the credential no longer holds.',
    permission: 'reader',
    query: feedQuery,
    headers: { ...SYNC_HEADERS, Upgrade: '`websocket`' },
    answers: { 101: { description: 'Switching protocols', headers: SYNC_HEADERS } },
    problems: STALE,
  },
  contents: {
    method: 'POST',
    path: `${HOME}/contents`,
    tag: 'Sync',
    summary: 'Many small contents in one answer',
    permission: 'reader',
    headers: SYNC_HEADERS,
    body: { kind: 'wire', schema: contentsRequest },
    answers: {
      200: { description: 'What was found', schema: contentsAnswer, wire: true, headers: SYNC_HEADERS },
    },
    problems: ['not_found', 'client_too_old', 'kms_unavailable'],
  },
  push: {
    method: 'POST',
    path: `${HOME}/sync`,
    tag: 'Sync',
    summary: 'Push operations; they commit as one',
    description: "The push's digest is the SHA-256 of the body as sent: resend the same bytes.",
    permission: 'writer',
    headers: { ...SYNC_HEADERS, ...EPOCH },
    body: { kind: 'wire', schema: pushRequest, bytesMax: PUSH_BYTES_MAX },
    answers: {
      200: {
        description: 'What became of each operation',
        schema: pushAnswer,
        wire: true,
        headers: SYNC_HEADERS,
      },
    },
    problems: [...STALE, 'forbidden', 'store_forked', 'too_large', 'storage_backlogged', 'kms_unavailable'],
  },
  partsMissing: {
    method: 'POST',
    path: `${HOME}/parts/missing`,
    tag: 'Sync',
    summary: 'Which of some parts are not there yet: what an upload that was cut has left to send',
    permission: 'writer',
    headers: SYNC_HEADERS,
    body: { kind: 'wire', schema: missingPartsRequest },
    answers: { 200: { description: 'The parts to send', schema: missingPartsAnswer, wire: true } },
    problems: ['forbidden', 'not_found', 'client_too_old'],
  },
  partUpload: {
    method: 'PUT',
    path: `${HOME}/nodes/{node}/parts/{part}`,
    tag: 'Sync',
    summary: 'Upload one part of content above 1 MiB',
    permission: 'writer',
    query: partQuery,
    headers: {
      ...SYNC_HEADERS,
      'Content-Digest': '`sha-256=:…:` (RFC 9530); the upload is refused where it differs.',
    },
    body: { kind: 'bytes', description: 'At most 1 MiB.' },
    answers: {
      201: { description: 'Kept', schema: partAnswer, wire: true },
      200: { description: 'Was there already', schema: partAnswer, wire: true },
    },
    problems: [
      'forbidden',
      'not_found',
      'client_too_old',
      'too_large',
      'storage_backlogged',
      'kms_unavailable',
    ],
  },
})
