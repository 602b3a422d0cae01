/** Names that the addon's objects and its program share. */

/** Where all of it is. */
export const prometheusNamespace = 'coxswain-prometheus';
/** Where Prometheus answers, in its pod and as a Service. */
export const prometheusPort = 9090;
/** Where the configuration is mounted. */
export const configFolder = '/etc/prometheus';
/** Where the pod's account is mounted: paths below it are the machine's in what Prometheus reads. */
export const accountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';
/** What Prometheus keeps. */
export const dataFolder = '/prometheus';
/** Where the program says whom to read. */
export const targetsFolder = '/prometheus/targets';
/** The variable that says where the machine has the program. */
export const binaryVariable = 'PROMETHEUS_BINARY';
