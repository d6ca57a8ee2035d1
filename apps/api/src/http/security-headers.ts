/** Headers of every answer: nothing is framed, sniffed, cached by strangers or allowed to call out. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'x-permitted-cross-domain-policies': 'none',
}

/** For our own pages, which bring their own script and style and talk to nobody but the service. */
export const PAGE_POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

/** Tells browsers to stay on TLS; sent only where TLS is spoken. */
export const STRICT_TRANSPORT = 'max-age=31536000; includeSubDomains'
