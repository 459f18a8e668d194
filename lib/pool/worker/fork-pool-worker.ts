// The process that a pool's worker is.
import { close } from '../../posix/descriptors.js';
import { Process } from '../../process/process.js';
import { serve, type Service } from './service.js';

/**
 * The process of a worker. It is of no use without its pool, and so ends with it. Other
 * than a daemon it may have children, for instance a pool of its own.
 */
export class ForkPoolWorker extends Process {
  #service: Service | undefined;

  constructor(service: Service) {
    super({ daemon: false });
    this.#service = service;
  }

  /** Starts it. The worker's end of the line is then its own. */
  override start(): void {
    try {
      super.start();
    } finally {
      close(this.#service!.fd);
      this.#service = undefined;
    }
  }

  override run(): Promise<never> {
    return serve(this.#service!);
  }

  /** Calls `wake` when it has ended. The event loop need not wait for that. */
  onEnd(wake: () => void): void {
    this.watch(wake, false);
  }

  protected override get endsWithParent(): boolean {
    return true;
  }
}
