/** Where names are asked for on the loopback network. */

/**
 * Port at which cluster DNS answers besides 53: where ports below 1024 need rights that the cluster has not, programs of the in-process runtime ask there.
 */
export const loopbackDnsPort = 1_053;
