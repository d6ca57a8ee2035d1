/** A page of ours: no script, one style, readable in any browser. */
export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
<body>
${body}
</body>
</html>
`
}

/** Text as HTML shows it. */
export function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

/** Text with its \`code\` spans. */
export function prose(text: string): string {
  return escaped(text).replaceAll(/`([^`]+)`/g, '<code>$1</code>')
}

const STYLE = `
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); --soft: color-mix(in srgb, currentColor 6%, transparent) }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 6rem }
h1 { font-size: 1.8rem } h2 { margin-top: 3rem; border-bottom: 1px solid var(--line) } h3 { margin: 0; font-size: 1rem; font-weight: 600 }
code, pre { font: .9em/1.5 ui-monospace, monospace } code { background: var(--soft); padding: .1em .3em; border-radius: .25em }
pre { background: var(--soft); padding: 1rem; border-radius: .5rem; overflow-x: auto } pre code { background: none; padding: 0 }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .6rem 0; padding: 0 1rem } summary { padding: .6rem 0; cursor: pointer }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem } td, th { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-top: 1px solid var(--line) }
.verb { display: inline-block; min-width: 4.2em; font-weight: 700 } nav a { margin-right: 1em } .quiet { opacity: .7 }
a { color: inherit } :target { outline: 2px solid; outline-offset: .3rem }
`
