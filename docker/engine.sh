# shellcheck shell=bash
# Builds and runs images with docker, podman or buildah alike; for the scripts beside it.
#
#   ENGINE        which, with its own options if it needs any: ENGINE="podman --runtime runc".
#                 Otherwise the first of the three that is there and works.
#   ENGINE_BUILD  further options for its `build`, such as --network=host
#   ENGINE_RUN    further options for its `run`

read -ra engine <<<"${ENGINE:-}"
read -ra engine_build_options <<<"${ENGINE_BUILD:-}"
read -ra engine_run_options <<<"${ENGINE_RUN:-}"

# A docker client alone is no engine.
engine_works() { command -v "$1" >/dev/null && "$1" info &>/dev/null; }

if ((${#engine[@]} == 0)); then
  for name in docker podman buildah; do
    if engine_works "$name"; then engine=("$name") && break; fi
  done
fi
if ((${#engine[@]} == 0)); then
  echo "$0: no docker, podman or buildah works here; install one, or name it in ENGINE" >&2
  exit 1
fi
engine_name=${engine[0]##*/}

# Unlike the others, buildah keeps no layers for the next build unless told to.
if [[ $engine_name == buildah ]]; then engine_build_options+=(--layers); fi

# engine_build OPTIONS... CONTEXT: as `docker build`
engine_build() { "${engine[@]}" build "${engine_build_options[@]}" "$@"; }

# engine_run [--user=USER] [--volume=FOLDER:PLACE] [--entrypoint=PROGRAM] IMAGE [ARGUMENTS...]: as
# `docker run --rm`
engine_run() {
  if [[ $engine_name != buildah ]]; then
    "${engine[@]}" run --rm "${engine_run_options[@]}" "$@"
    return
  fi
  # Buildah runs commands in containers and heeds no entrypoint.
  local options=() entrypoint=() container status=0
  while [[ $1 == --* ]]; do
    case $1 in
      --entrypoint=*) entrypoint=("${1#*=}") ;;
      *) options+=("$1") ;;
    esac
    shift
  done
  if ((${#entrypoint[@]} == 0)); then
    mapfile -t entrypoint < <("${engine[@]}" inspect --type image \
      --format '{{range .OCIv1.Config.Entrypoint}}{{println .}}{{end}}' "$1" | grep .)
  fi
  container=$("${engine[@]}" from --pull=never "$1")
  # On a terminal's behalf it would end lines with a carriage return.
  "${engine[@]}" run --terminal=false "${engine_run_options[@]}" "${options[@]}" "$container" -- \
    "${entrypoint[@]}" "${@:2}" || status=$?
  "${engine[@]}" rm "$container" >/dev/null
  return "$status"
}
