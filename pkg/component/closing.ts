/** A component with what has to be closed once it has stopped. */
import type { Component } from './component.ts';

/** Runs `component`, and closes `resource` when it has stopped, however it did. */
export function closing(component: Component, resource: { close(): Promise<void> }): Component {
  return {
    run: async (signal) => {
      try {
        await component.run(signal);
      } finally {
        await resource.close();
      }
    },
  };
}
