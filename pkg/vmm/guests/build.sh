#!/bin/sh
# Builds the guests with Debian's gcc-riscv64-unknown-elf into the folder $1 (default: where they are checked in). The same sources and compiler give the same
# bytes: no paths, no times, no build id, no symbols are in them.
set -eu
cd "$(dirname "$0")"
out=${1:-.}
flags="-march=rv64imac_zicsr_zifencei -mabi=lp64 -mcmodel=medany -O2 -ffreestanding -fno-tree-loop-distribute-patterns -fno-pic -nostdlib -static
  -Wall -Wextra -Werror -Wl,--build-id=none -Wl,--no-warn-rwx-segments -Wl,-z,max-page-size=4096 -s"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# $1: name, the rest: what the image is for.
kernel() {
  name=$1
  shift
  # shellcheck disable=SC2086
  riscv64-unknown-elf-gcc $flags -T user/link.ld -o "$work/user.elf" user/start.S user/libu.c user/init.c user/agent.c user/connections.c user/http.c \
    "$@" common/lib.c
  riscv64-unknown-elf-objcopy -O binary "$work/user.elf" "$work/user.bin"
  mkdir -p "$out/$name"
  # shellcheck disable=SC2086
  riscv64-unknown-elf-gcc $flags -DUSER_IMAGE="\"$work/user.bin\"" -T kernel/link.ld -o "$out/$name/$name.elf" kernel/start.S kernel/memory.c kernel/balloon.c \
    kernel/process.c kernel/trap.c kernel/console.c kernel/virtio.c kernel/net.c kernel/tcp.c common/fdt.c common/lib.c
}

kernel kernel user/store.c
kernel echo echo/serve.c
mkdir -p "$out/compute"
# shellcheck disable=SC2086
riscv64-unknown-elf-gcc $flags -T compute/link.ld -o "$out/compute/compute.elf" compute/start.S compute/compute.c common/lib.c common/fdt.c
mkdir -p "$out/pages"
# shellcheck disable=SC2086
riscv64-unknown-elf-gcc $flags -T pages/link.ld -o "$out/pages/pages.elf" pages/start.S pages/pages.c pages/bare.c common/lib.c
# shellcheck disable=SC2086
riscv64-unknown-elf-gcc $flags -T pages/link.ld -o "$out/pages/ported.elf" pages/ported-start.S pages/pages.c pages/ported.c common/lib.c
# shellcheck disable=SC2086
riscv64-unknown-elf-gcc $flags -DWRITABLE -T pages/link.ld -o "$out/pages/writable.elf" pages/ported-start.S pages/pages.c pages/ported.c common/lib.c
# The monitor with what it runs, as plain memory: that guest, and itself with that guest.
nested() {
  name=$1
  riscv64-unknown-elf-objcopy -O binary "$2" "$work/$name.bin"
  mkdir -p "$out/nested"
  # shellcheck disable=SC2086
  riscv64-unknown-elf-gcc $flags -fno-jump-tables -DIMAGE="\"$work/$name.bin\"" -T pages/link.ld -o "$out/nested/$name.elf" nested/start.S nested/main.c \
    nested/memory.c nested/devices.c common/lib.c
}

nested one "$out/pages/pages.elf"
nested two "$out/nested/one.elf"

# Kernels that ask a machine, or a monitor, questions.
mkdir -p "$out/probe"
for name in status seek rewrite remap odd chance; do
  # shellcheck disable=SC2086
  riscv64-unknown-elf-gcc $flags -T pages/link.ld -o "$out/probe/$name.elf" probe/start.S "probe/$name.c" probe/probe.c common/lib.c
done
# shellcheck disable=SC2086
riscv64-unknown-elf-gcc $flags -T pages/link.ld -o "$out/probe/greedy.elf" pages/ported-start.S probe/greedy.c common/lib.c
# shellcheck disable=SC2086
riscv64-unknown-elf-gcc $flags -T pages/link.ld -o "$out/probe/forge.elf" pages/ported-start.S probe/forge.c common/lib.c

# Kernels that use their devices, by drivers of each sort.
mkdir -p "$out/io"
# shellcheck disable=SC2086
riscv64-unknown-elf-gcc $flags -T pages/link.ld -o "$out/io/io.elf" probe/start.S io/io.c io/bare.c common/lib.c
# shellcheck disable=SC2086
riscv64-unknown-elf-gcc $flags -T pages/link.ld -o "$out/io/ported.elf" pages/ported-start.S io/io.c io/ported.c common/lib.c
# shellcheck disable=SC2086
riscv64-unknown-elf-gcc $flags -T pages/link.ld -o "$out/probe/ring.elf" probe/start.S probe/ring.c common/lib.c

# What kernels begin on that are boot images, and such a kernel, which asks it everything.
mkdir -p "$out/firmware" "$out/supervisor"
# shellcheck disable=SC2086
riscv64-unknown-elf-gcc $flags -T firmware/link.ld -o "$out/firmware/firmware.elf" firmware/start.S firmware/firmware.c common/fdt.c common/lib.c
# shellcheck disable=SC2086
riscv64-unknown-elf-gcc $flags -T supervisor/link.ld -o "$work/supervisor.elf" supervisor/start.S supervisor/supervisor.c common/fdt.c common/lib.c
riscv64-unknown-elf-objcopy -O binary "$work/supervisor.elf" "$out/supervisor/supervisor.image"
