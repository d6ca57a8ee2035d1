import { ERRNO, type ErrorCode, HTTP_STATUS, RETRIABLE } from '@agentfs/contracts'
import { TITLES, WHAT_TO_DO } from '../http/problem-texts.js'
import { escaped, page, prose } from './page.js'

/** What a code means, what it is on a mount, and what to do. */
export function errorPage(code: ErrorCode): string {
  const again = RETRIABLE.has(code)
    ? 'Clients try again by themselves, with growing pauses.'
    : 'Trying again unchanged does not help.'
  return page(
    `${code} - agentfs`,
    `<h1><code>${escaped(code)}</code></h1>
<p>${escaped(TITLES[code])}.</p>
<p>${prose(WHAT_TO_DO[code])}</p>
<table>
<tr><th>HTTP status</th><td>${HTTP_STATUS[code]}</td></tr>
<tr><th>errno on a mount</th><td><code>${ERRNO[code]}</code></td></tr>
</table>
<p>${again}</p>
<p><a href="/docs">Reference</a></p>`,
  )
}
