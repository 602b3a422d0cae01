/**
 * The release of Kubernetes that a cluster is. JavaScript without any import, as `coxswain version` reads it before anything else is there
 * (`cmd/coxswain/version-line.js`).
 */

/** The release of Kubernetes whose API is served and that nodes report. That of the API's facts, without loading them. */
export const kubernetesRelease = 'v1.36.4';
