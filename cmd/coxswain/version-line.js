/**
 * What `coxswain version` prints. JavaScript that needs two small files and nothing of Node's that is not there anyway, so that the command answers
 * in little more than the time of an empty program: `bin.js` asks it before it looks for anything else.
 */
// To look up what `#pkg/` means would take a millisecond.
import { kubernetesRelease } from '../../pkg/cluster/release.js';

/** The versions of Coxswain, of Kubernetes and of Node. Throws where the checkout or package has no manifest that can be read. */
export function versions() {
  // An import of the module would load what its promises need.
  const { readFileSync } = process.getBuiltinModule('node:fs');
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return { coxswain: String(manifest.version), kubernetes: kubernetesRelease, node: process.versions.node };
}

/** The same, as a line. */
export function versionLine() {
  const { coxswain, kubernetes, node } = versions();
  return `coxswain ${coxswain} (Kubernetes ${kubernetes}, Node ${node})\n`;
}
