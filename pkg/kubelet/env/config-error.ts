/** The error of a container whose configuration cannot be made; retried like others, and told by the reason `CreateContainerConfigError`. */

/** Something that a container's configuration names is not there, or is more than there may be. The message is upstream's where it has one. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ConfigError';
  }
}
