/** What of the agent of the built-in kernel, which runs commands, others are to know too. */

/** Where it listens, in TCP. */
export const agentPort = 1;
