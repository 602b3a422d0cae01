/**
 * What is done with plugins of one type that register themselves. Adding a type is a handler, and a line where the watcher of a node is made.
 *
 * Laws:
 * 1. `register` resolves once the plugin can be used; what it throws is told to the plugin, and it is tried again later.
 * 2. It is called for each socket anew, so another plugin of the same name may be there, which it takes the place of, until `deregister` is called for that one's socket.
 * 3. `deregister` is called once for each plugin that was registered, when its socket is gone; it never throws.
 *
 * Upstream counterpart: kubelet `pluginmanager/cache` `PluginHandler`.
 */

/** What a plugin says of itself. */
export interface PluginInfo {
  /** Of its type, unique for the node. */
  readonly name: string;
  /** The socket where it answers, as it says it: maybe by the name of every kubelet's folder. */
  readonly endpoint: string;
  /** The same on this machine. */
  readonly socketPath: string;
  /** Versions that it speaks, of what its type is spoken by. */
  readonly versions: readonly string[];
  /** Where it registered: one plugin is told from the next of its name by it. */
  readonly registeredAt: string;
}

/** One type of plugins; see the laws above. */
export interface PluginHandler {
  register(plugin: PluginInfo, signal: AbortSignal): Promise<void>;
  deregister(plugin: PluginInfo): void;
}
