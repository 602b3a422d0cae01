/** Names that the addon's objects and its program share. */

/** Where its pod and the Services of gateways are. */
export const gatewayNamespace = 'coxswain-gateway';
/** The labels of its pod. */
export const gatewaySelector: Readonly<Record<string, string>> = { app: 'coxswain-gateway' };
/** Where the pod says whether it serves. */
export const healthPort = 8080;
