/** What tests of networks of the kernel need of the machine. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Why there can be no networks of the kernel; undefined when there can. */
export const noNetwork: string | undefined = (() => {
  const missing = ['ip', 'nft', 'conntrack', 'unshare', 'nsenter'].find(
    (program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).error !== undefined,
  );
  if (missing !== undefined) return `there is no ${missing}`;
  const made = spawnSync('unshare', ['--net', '--', 'nft', 'add', 'table', 'inet', 'coxswain-probe'], {
    stdio: 'ignore',
  });
  return made.status === 0 ? undefined : 'this user cannot make network namespaces with nftables';
})();

/** Why CNI plugins cannot be tested; undefined where they can. */
export const noPlugins: string | undefined =
  existsSync('/usr/lib/cni/bridge') || existsSync('/opt/cni/bin/bridge') ? undefined : 'there are no CNI plugins';
