#!/bin/sh
# Makes a base image of Debian's packages and the Node that came with the install, for machines that reach no registry:
#
#   deploy/base/build.sh coxswain-base
#   BASE=coxswain-base ETCD_IMAGE=coxswain-base HAPROXY_IMAGE=coxswain-base docker-compose -f deploy/docker-compose.yml up -d --build
#
# Packages are unpacked, not installed: nothing in here needs their scripts, nor root. Wants apt's lists (`apt-get update`), npm ci before it, and
# an engine that `docker` finds.
set -eu

image=${1:?usage: build.sh IMAGE}
checkout=$(cd "$(dirname "$0")/../.." && pwd)
node=$(readlink -f "$checkout/node_modules/.bin/node")
[ -x "$node" ] || { echo "build.sh: there is no Node in node_modules/: run npm ci first" >&2; exit 1; }

# What node, etcd and haproxy are linked with, a shell with the everyday programs, and what workers make containers and their networks with.
packages="base-files netbase dash coreutils libc6 libatomic1 libgcc-s1 libstdc++6 libselinux1 libpcre2-8-0 libacl1 libattr1 libgmp10
  etcd-server etcd-client
  haproxy liblua5.3-0 libopentracing1 libopentracing-c-wrapper0 libssl3 libcrypt1 libcap2 libsystemd0 liblzma5 liblz4-1 libzstd1
  libgcrypt20 libgpg-error0 zlib1g
  runc libseccomp2 iproute2 libbpf1 libelf1 libmnl0 libbsd0 libmd0 nftables libnftables1 libnftnl11 libedit2 libjansson4 libtinfo6 libxtables12
  conntrack libnetfilter-conntrack3 libnfnetlink0 util-linux libsmartcols1 libudev1 libcap-ng0 mount libmount1 libblkid1 libuuid1"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/packages" "$work/root"
# Unprivileged programs of apt must be able to write there.
chmod 755 "$work"
chmod 777 "$work/packages"
# shellcheck disable=SC2086 # one word each
(cd "$work/packages" && apt-get -qq download $packages)

# Debian's merged /usr: the links are there before what goes through them.
mkdir "$work/root/usr"
for folder in bin sbin lib lib64; do
  mkdir "$work/root/usr/$folder"
  ln -s "usr/$folder" "$work/root/$folder"
done
for package in "$work"/packages/*.deb; do
  dpkg-deb --fsys-tarfile "$package" |
    tar --extract --directory "$work/root" --keep-directory-symlink --no-same-owner --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' \
      --exclude='./usr/share/locale/*'
done
ln -sf dash "$work/root/usr/bin/sh"
mkdir -p "$work/root/tmp" "$work/root/usr/local/bin"
chmod 1777 "$work/root/tmp"
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n' >"$work/root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$work/root/etc/group"
cp "$node" "$work/root/usr/local/bin/node"

tar --create --directory "$work/root" --owner=0 --group=0 --numeric-owner . |
  docker import --change 'ENV PATH=/usr/local/bin:/usr/bin:/usr/sbin' - "$image" >/dev/null
echo "made the image $image"
