/** Names that the addon's objects and its program share. */

/** Where all of it is. */
export const logsNamespace = 'coxswain-logs';
/** Where the collector answers, in its pod and as a Service. */
export const logsPort = 8080;
/** What it keeps. */
export const dataFolder = '/logs';
