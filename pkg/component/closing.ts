/** A component with what has to be closed once it has stopped. */
import type { Component } from '#pkg/component/component.ts';

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
