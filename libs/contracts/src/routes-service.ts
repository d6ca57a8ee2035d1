import { auditEvent, auditQuery, health, listOf } from './rest.js'
import { defineRoutes } from './routes-definition.js'

/** The audit log, and what the service says of itself. */
export const serviceRoutes = defineRoutes({
  auditEvents: {
    method: 'GET',
    path: '/v1/audit/events',
    tag: 'Audit',
    summary: 'Who did what, newest first',
    permission: 'manager',
    query: auditQuery,
    answers: { 200: { description: 'Events', schema: listOf(auditEvent) } },
    problems: ['forbidden', 'not_found'],
  },
  healthz: {
    method: 'GET',
    path: '/healthz',
    tag: 'Service',
    summary: 'Whether the process runs',
    permission: 'public',
    answers: { 200: { description: 'It does', schema: health } },
    problems: [],
  },
  readyz: {
    method: 'GET',
    path: '/readyz',
    tag: 'Service',
    summary: 'Whether the service can serve, its database included',
    permission: 'public',
    answers: {
      200: { description: 'It can', schema: health },
      503: { description: 'Not now', schema: health },
    },
    problems: [],
  },
  openapi: {
    method: 'GET',
    path: '/openapi.json',
    tag: 'Service',
    summary: 'This document',
    permission: 'public',
    answers: { 200: { description: 'OpenAPI 3.1' } },
    problems: [],
  },
  docs: {
    method: 'GET',
    path: '/docs',
    tag: 'Service',
    summary: 'This document, as a page',
    permission: 'public',
    answers: { 200: { description: 'A page', contentType: 'text/html' } },
    problems: [],
  },
  installScript: {
    method: 'GET',
    path: '/install.sh',
    tag: 'Service',
    summary: 'A shell script that installs the client from this service',
    permission: 'public',
    answers: { 200: { description: 'A POSIX shell script', contentType: 'text/x-shellscript' } },
    problems: [],
  },
  clientDownload: {
    method: 'GET',
    path: '/download/agentfs-client.tgz',
    tag: 'Service',
    summary: 'The client, packed',
    permission: 'public',
    answers: { 200: { description: 'A gzipped tar', contentType: 'application/gzip' } },
    problems: ['not_found'],
  },
})
