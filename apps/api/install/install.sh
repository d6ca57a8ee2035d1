#!/bin/sh
# Installs agentfs-client, or brings it up to date, for this user, from the service this script was loaded from:
#
#   curl -fsSL SERVICE/install.sh | sh
#   curl -fsSL SERVICE/install.sh | sh -s -- --uninstall
#
# It needs Node 20 or later, tar, gzip, and curl or wget. These variables change what it does:
#   AGENTFS_INSTALL  where the programs go (~/.local/share/agentfs)
#   AGENTFS_BIN      where the commands are linked (~/.local/bin)
#   AGENTFS_CA_FILE  a certificate authority to trust, for a service with a private one
#
# Everything happens in `main`, called in the last line: a script cut short on its way does nothing.
set -eu

# The service fills these in. A runtime is platform:version:sha256 of a Node for machines whose own is too old.
service='@service@'
client_version='@client_version@'
client_sha256='@client_sha256@'
runtimes='@runtimes@'

main() {
  action=install
  while [ $# -gt 0 ]; do
    case $1 in
      --uninstall) action=uninstall ;;
      -h | --help) action=help ;;
      *) fail "unknown option $1; --uninstall and --help are there" 2 ;;
    esac
    shift
  done
  [ -n "${HOME:-}" ] || fail 'HOME is not set'
  root=$(absolute "${AGENTFS_INSTALL:-$HOME/.local/share/agentfs}")
  bin=$(absolute "${AGENTFS_BIN:-$HOME/.local/bin}")
  "$action"
}

help() {
  say "installs agentfs-client $client_version from $service"
  say "programs go to $root, commands to $bin; --uninstall takes them away"
}

install() {
  check_machine
  check_root
  mkdir -p "$root/versions" "$root/runtimes" "$bin"
  # As the kernel names it, by which running mounts are found.
  root=$(cd "$root" && pwd -P)
  staging=$(mktemp -d "$root/.installing.XXXXXX")
  trap 'rm -rf "$staging"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM

  # Named after its content: what lies there is whole, because it was moved there when it had been tried.
  version=$client_version-$(printf '%.12s' "$client_sha256")
  target=$root/versions/$version
  before=$(readlink "$root/current" 2>/dev/null) || before=
  runtime=
  needs_runtime && get_runtime
  if [ -d "$target" ] && use_runtime "$target" && try_client "$target" 2>/dev/null; then
    say "agentfs-client $version is here already"
  else
    get_client
  fi
  switch_to_version
  link_command agentfs-client
  link_command agentfs
  remove_old_versions
  say "agentfs-client $client_version is installed in $root"
  check_fuse
  say_next
}

# --- what the machine has

check_machine() {
  command -v node >/dev/null 2>&1 ||
    fail 'Node 20 or later is needed, and there is no node on the PATH: https://nodejs.org'
  node_found=$(node -p 'process.versions.node' 2>/dev/null) || fail "$(command -v node) does not run"
  node_major=${node_found%%.*}
  case $node_major in '' | *[!0-9]*) fail "$(command -v node) says that it is version $node_found" ;; esac
  [ "$node_major" -ge 20 ] || fail "Node 20 or later is needed, and this is Node $node_found: https://nodejs.org"
  for program in tar gzip; do
    command -v "$program" >/dev/null 2>&1 || fail "$program is needed"
  done
}

# Refuses a folder that holds something else: what is in it is removed later by name.
check_root() {
  [ -d "$root" ] || return 0
  [ -d "$root/versions" ] && [ -d "$root/runtimes" ] && return 0
  [ -z "$(ls "$root")" ] || fail "$root holds other things; set AGENTFS_INSTALL to a folder of its own"
}

# Asked of Node itself: some versions between 22.5 and 23.3 have it only behind a flag.
needs_runtime() {
  ! node -e 'require("node:sqlite")' >/dev/null 2>&1
}

check_fuse() {
  if [ "$(uname -s)" != Linux ]; then
    note 'mounting needs Linux; every other command works here'
  elif ! has_library; then
    note "mounting needs a library that this service has not for this platform: its operator adds it with" \
      "\"npm run package -- --platform linux-$(node -p process.arch)\". Every other command works without."
  elif [ ! -e /dev/fuse ]; then
    note 'mounting needs /dev/fuse, which is missing here: run "modprobe fuse" as root; a container needs' \
      '"--device /dev/fuse --cap-add SYS_ADMIN". Every other command works without.'
  elif [ "$(id -u)" = 0 ]; then
    may_mount || note 'mounting needs CAP_SYS_ADMIN, which root has not here: start the container with' \
      '"--device /dev/fuse --cap-add SYS_ADMIN". Every other command works without.'
  elif [ ! -r /dev/fuse ] || [ ! -w /dev/fuse ]; then
    note 'mounting needs /dev/fuse, which this user may not open: run "chmod 666 /dev/fuse" as root.' \
      'Every other command works without.'
  elif ! has_fusermount; then
    note "mounting needs fusermount3, which is missing here: $(fuse_remedy). Every other command works without."
  fi
}

has_library() {
  node -e '
    import(require("url").pathToFileURL(process.argv[1])).catch(() => process.exit(1))
  ' "$root/current/node_modules/koffi/index.js" 2>/dev/null
}

# CAP_SYS_ADMIN is bit 21: the lowest but one of the sixth hexadecimal digit from the right.
may_mount() {
  capabilities=$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status 2>/dev/null)
  [ -n "$capabilities" ] || return 0
  digit=$(printf '%s' "$capabilities" | sed 's/.*\(.\).....$/\1/')
  case $digit in [2367abefABEF]) return 0 ;; esac
  return 1
}

# Where the client looks for it, whatever the PATH.
has_fusermount() {
  for folder in /run/wrappers/bin /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
    [ -x "$folder/fusermount3" ] && return 0
  done
  return 1
}

fuse_remedy() {
  for manager in 'apt-get install' 'dnf install' 'apk add' 'pacman -S' 'zypper install'; do
    if command -v "${manager%% *}" >/dev/null 2>&1; then
      printf 'run "%s fuse3" as root' "$manager"
      return
    fi
  done
  printf 'install the package fuse3'
}

# --- getting and trying

get_client() {
  say "loading agentfs-client $client_version from $service"
  download agentfs-client.tgz "$client_sha256" "$staging/client.tgz"
  tar -xzof "$staging/client.tgz" -C "$staging" || fail 'the client could not be unpacked; is the disk full?'
  use_runtime "$staging/agentfs-client"
  try_client "$staging/agentfs-client" || fail 'the client does not run here; its words are above'
  # One that is there and did not pass is broken. Another run of this script may be putting it there, too.
  [ ! -d "$target" ] || mv "$target" "$staging/broken"
  move "$staging/agentfs-client" "$target" || [ -d "$target" ] || fail "$target could not be written"
}

get_runtime() {
  platform=$(node -p 'process.platform + "-" + process.arch')
  for candidate in $runtimes; do
    [ "${candidate%%:*}" = "$platform" ] && runtime=$candidate
  done
  needed="the client needs Node 22.13 or later, and this is Node $node_found"
  [ -n "$runtime" ] || fail "$needed. The service has none for $platform: install one from https://nodejs.org"
  runtime_sha256=${runtime##*:}
  runtime_version=${runtime#*:}
  runtime_version=${runtime_version%%:*}
  runtime=$root/runtimes/$runtime_version-$platform
  try_runtime "$runtime" && return
  say "$needed: loading Node $runtime_version for it; the machine's own stays as it is"
  download "node-$platform.gz" "$runtime_sha256" "$staging/node.gz"
  mkdir -p "$staging/runtime/bin"
  gzip -dc "$staging/node.gz" >"$staging/runtime/bin/node" || fail 'Node could not be unpacked; is the disk full?'
  chmod 755 "$staging/runtime/bin/node"
  # The client's launcher looks for a package of this name.
  printf '{ "name": "node", "version": "%s" }\n' "$runtime_version" >"$staging/runtime/package.json"
  try_runtime "$staging/runtime" ||
    fail "$needed. The service's Node does not run on this system: install one from https://nodejs.org"
  rm -rf "$runtime"
  move "$staging/runtime" "$runtime" || [ -d "$runtime" ] || fail "$runtime could not be written"
}

try_runtime() {
  [ "$("$1/bin/node" --version 2>/dev/null)" = "v$runtime_version" ]
}

# Puts the runtime where the client's launcher looks; a relative link, which also holds in the staging folder.
use_runtime() {
  [ -n "$runtime" ] || return 0
  rm -rf "$1/node_modules/node"
  ln -s "../../../runtimes/${runtime##*/}" "$1/node_modules/node"
}

try_client() {
  [ "$(node "$1/bin/agentfs-client.mjs" --version </dev/null)" = "$client_version" ]
}

# download NAME SHA256 FILE
download() {
  fetch "$service/download/$1" "$3" || fail "$service/download/$1 could not be loaded"
  found=$(node -e '
    const hash = require("crypto").createHash("sha256")
    console.log(hash.update(require("fs").readFileSync(process.argv[1])).digest("hex"))
  ' "$3")
  [ "$found" = "$2" ] ||
    fail "$1 is not what this script was made for: it was cut short, or the service was updated just now. Run it again."
}

# fetch URL FILE
fetch() {
  if command -v curl >/dev/null 2>&1; then
    if [ -t 2 ]; then progress=-#; else progress=-sS; fi
    curl -fL "$progress" --retry 3 ${AGENTFS_CA_FILE:+--cacert "$AGENTFS_CA_FILE"} -o "$2" "$1"
  elif command -v wget >/dev/null 2>&1; then
    wget -q ${AGENTFS_CA_FILE:+"--ca-certificate=$AGENTFS_CA_FILE"} -O "$2" "$1"
  else
    NODE_EXTRA_CA_CERTS=${AGENTFS_CA_FILE:-} node -e '
      const [url, file] = process.argv.slice(1)
      fetch(url).then(async (answer) => {
        if (!answer.ok) throw new Error("status " + answer.status)
        require("fs").writeFileSync(file, Buffer.from(await answer.arrayBuffer()))
      }).catch((error) => {
        console.error(String(error.cause || error))
        process.exit(1)
      })
    ' "$1" "$2"
  fi
}

# --- putting in place

# One rename, so that the commands work at every moment: mv would move into a folder that a link points to.
move() {
  node -e 'require("fs").renameSync(process.argv[1], process.argv[2])' "$1" "$2" 2>/dev/null
}

switch_to_version() {
  ln -s "versions/$version" "$staging/current"
  move "$staging/current" "$root/current" || fail "$root/current could not be written"
}

link_command() {
  link=$bin/$1
  if [ -e "$link" ] || [ -L "$link" ]; then
    is_ours "$link" || {
      note "$link is something else and stays as it is; $root/current/bin/agentfs-client.mjs is the command"
      return 0
    }
  fi
  ln -s "$root/current/bin/agentfs-client.mjs" "$staging/$1"
  move "$staging/$1" "$link" || fail "$link could not be written"
}

is_ours() {
  case $(readlink "$1" 2>/dev/null) in */current/bin/agentfs-client.mjs) return 0 ;; esac
  return 1
}

# Keeps the version before, and what a mount runs on, which reads files of its version until it ends.
remove_old_versions() {
  for old in "$root"/versions/*; do
    case $old in "$target" | "$root/$before") continue ;; esac
    is_in_use "$old" || rm -rf "$old"
  done
  for old in "$root"/runtimes/*; do
    is_linked "${old##*/}" || rm -rf "$old"
  done
}

# A mount has a native library of its version mapped.
is_in_use() {
  grep -qsF -- "$1/" /proc/[0-9]*/maps
}

is_linked() {
  for user in "$root"/versions/*/node_modules/node; do
    case $(readlink "$user" 2>/dev/null) in */"$1") return 0 ;; esac
  done
  return 1
}

uninstall() {
  if [ ! -L "$root/current" ] || [ ! -d "$root/versions" ] || [ ! -d "$root/runtimes" ]; then
    fail "agentfs-client is not installed in $root"
  fi
  root=$(cd "$root" && pwd -P)
  if is_in_use "$root"; then
    fail 'a mount runs: "agentfs-client status" shows it, "agentfs-client unmount DIR" ends it'
  fi
  for link in "$bin/agentfs-client" "$bin/agentfs"; do
    case $(readlink "$link" 2>/dev/null) in "$root/current/"*) rm -f "$link" ;; esac
  done
  rm -rf "$root/current" "$root/versions" "$root/runtimes" "$root"/.installing.*
  rmdir "$root" 2>/dev/null || true
  say "agentfs-client is removed from $root and $bin"
  for kept in "${XDG_CONFIG_HOME:-$HOME/.config}/agentfs" "${XDG_STATE_HOME:-$HOME/.local/state}/agentfs"; do
    if [ -d "$kept" ]; then
      say "$kept stays: it holds your key, or what mounts wrote and may not have pushed yet"
    fi
  done
}

# --- words

say_next() {
  insecure=
  case $service in
    https://* | http://127.* | http://localhost | http://localhost:* | 'http://[::1]'*) ;;
    *) insecure=' --insecure' ;;
  esac
  case ":$PATH:" in
    *":$bin:"*)
      first=$(command -v agentfs-client) || first=
      [ "$first" = "$bin/agentfs-client" ] || note "the PATH has another agentfs-client before this one: $first"
      ;;
    *)
      printf '\nPut the commands on your PATH first, here and in ~/.profile:\n'
      # shellcheck disable=SC2016 # the reader's PATH, not ours
      printf '  export PATH="%s:$PATH"\n' "$bin"
      ;;
  esac
  printf '\nNext:\n'
  printf "  agentfs-client login%s --url '%s' --token -     # paste an API key, then Ctrl-D\n" "$insecure" "$service"
  printf '  agentfs-client mount%s ~/agent-memory --agent-id my-agent\n' "$insecure"
}

absolute() {
  case $1 in
    /*) printf '%s' "${1%/}" ;;
    *) printf '%s' "$(pwd)/${1%/}" ;;
  esac
}

say() {
  printf 'agentfs: %s\n' "$*"
}

note() {
  printf 'agentfs: note: %s\n' "$*" >&2
}

fail() {
  printf 'agentfs: %s\n' "$1" >&2
  exit "${2:-1}"
}

main "$@"
