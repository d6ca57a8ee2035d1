/**
 * The installer that `curl -fsSL <service>/install.sh | sh` runs: POSIX sh, no root, nothing but Node. Everything is
 * inside `main`, called in the last line, so that a download cut short runs nothing.
 */
export function installScript(serviceUrl: string): string {
  return TEMPLATE.replaceAll('@SERVICE_URL@', shellQuoted(serviceUrl))
}

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

const TEMPLATE = `#!/bin/sh
# Installs agentfs-client from the agentfs service it was loaded from, for this user:
# programs in ~/.local/share/agentfs, commands in ~/.local/bin. Running it again updates.
set -eu

service=@SERVICE_URL@

fail() {
  printf 'agentfs: %s\\n' "$1" >&2
  exit 1
}

fetch() {
  if command -v curl >/dev/null 2>&1; then
    curl -fsSL --retry 3 -o "$2" "$1"
  elif command -v wget >/dev/null 2>&1; then
    wget -q -O "$2" "$1"
  else
    node -e 'fetch(process.argv[1]).then(async (r) => { if (!r.ok) throw new Error(r.status); require("fs").writeFileSync(process.argv[2], Buffer.from(await r.arrayBuffer())) }).catch((e) => { console.error(String(e)); process.exit(1) })' "$1" "$2"
  fi
}

main() {
  [ -n "\${HOME:-}" ] || fail 'HOME is not set'
  command -v node >/dev/null 2>&1 || fail 'Node 20 or later is needed: https://nodejs.org'
  major=$(node -p 'process.versions.node.split(".")[0]')
  [ "$major" -ge 20 ] || fail "Node 20 or later is needed; this is $(node --version)"
  command -v tar >/dev/null 2>&1 || fail 'tar is needed'

  share="\${XDG_DATA_HOME:-$HOME/.local/share}/agentfs"
  bin="$HOME/.local/bin"
  mkdir -p "$share" "$bin"
  # The new version is made ready beside the old one, so that a failure leaves the old one working.
  fresh=$(mktemp -d "$share/installing.XXXXXX")
  trap 'rm -rf "$fresh"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM

  printf 'agentfs: loading the client from %s\\n' "$service"
  fetch "$service/download/agentfs-client.tgz" "$fresh/client.tgz" ||
    fail "the client could not be loaded from $service/download/agentfs-client.tgz"
  mkdir "$fresh/client"
  tar -xzf "$fresh/client.tgz" -C "$fresh/client" --strip-components=1 || fail 'the download is not a whole archive'
  command=$(node -e '
    const { join } = require("path")
    const directory = process.argv[1]
    const { bin } = JSON.parse(require("fs").readFileSync(join(directory, "package.json"), "utf8"))
    console.log(typeof bin === "string" ? bin : bin["agentfs-client"])
  ' "$fresh/client") || fail 'the download is not the client'
  if [ ! -d "$fresh/client/node_modules" ]; then
    command -v npm >/dev/null 2>&1 || fail 'npm is needed'
    printf 'agentfs: installing what it needs\\n'
    (cd "$fresh/client" && npm install --omit=dev --no-audit --no-fund --loglevel=error) || fail 'npm install failed'
  fi

  rm -rf "$share/client.old"
  [ ! -e "$share/client" ] || mv "$share/client" "$share/client.old"
  mv "$fresh/client" "$share/client"
  rm -rf "$share/client.old"
  chmod +x "$share/client/$command"
  ln -sf "$share/client/$command" "$bin/agentfs-client"
  ln -sf "$share/client/$command" "$bin/agentfs"

  printf 'agentfs: installed in %s\\n\\n' "$share/client"
  case ":$PATH:" in
    *":$bin:"*) ;;
    *) printf 'Put the commands on your PATH first:\\n  export PATH="%s:$PATH"\\n\\n' "$bin" ;;
  esac
  printf 'Next:\\n'
  printf '  agentfs-client login --url %s --token -     # paste an API key\\n' "$service"
  printf '  agentfs-client mount ~/agent-memory --agent-id my-agent\\n'
}

main "$@"
`
