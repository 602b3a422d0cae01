/** Numbers of relays. */

/** TCP connections at once, over all relays that share a `Connections`: each takes two file descriptors of the process. Further ones are reset. */
export const connectionsMax = 8_192;

/** UDP flows at once, over all relays that share a `Flows`; a further one takes the place of the one silent longest. */
export const flowsMax = 4_096;

/** A UDP flow ends when neither side sent anything for this time: conntrack's default for a flow with answers. */
export const flowIdleMs = 120_000;

/** How long each try to connect to an endpoint may take, one number per try; then the client is reset. Source: kube-proxy userspace. */
export const connectTimeoutsMs: readonly number[] = [250, 500, 1_000, 2_000];
