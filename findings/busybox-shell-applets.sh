#!/usr/bin/env bash
# The `sh` of Debian's busybox-static 1.35.0 runs programs of its own though another of the name stands first in PATH, and hands on no variable of the environment
# whose name has a dash, which ConfigMaps and Secrets may give: an image of Debian's busybox with netcat or curl beside it runs busybox' own after all, and `sh -c env` lacks
# what `env` has. Neither happens with bash. Needs Debian's busybox-static and bash.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
printf '#!/bin/bash\necho "the one in PATH"\n' >"$folder/nc"
chmod +x "$folder/nc"
{
  for shell in 'busybox sh' bash; do
    echo "$shell: $(PATH=$folder:/bin:/usr/bin $shell -c 'nc -h' 2>&1 | head -n 1 | cut -d' ' -f1-4)"
    echo "$shell: $(env -i PATH=/bin:/usr/bin data-1=x data_1=y $shell -c /usr/bin/env | grep ^data | sort | tr '\n' ' ')"
  done
} | tee /dev/stderr | diff - <(printf '%s\n' "busybox sh: nc: invalid option --" 'busybox sh: data_1=y ' 'bash: the one in PATH' 'bash: data-1=x data_1=y ')
