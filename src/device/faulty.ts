/** A device that fails one call on purpose: run a workload with call 1, 2, 3… failing until it gets through. */
import { FsError } from '../bytes/index.js';
import type { BlockDevice } from './device.js';

export interface Fault {
  /** The call that fails, counted from 1 over the calls named in `of`. */
  readonly call: number;
  readonly code: 'EIO' | 'ENOSPC';
  /** Which calls count; all by default. */
  readonly of?: ReadonlyArray<'read' | 'write' | 'flush'>;
  /** Fail every later counted call too, as a dead disk does. */
  readonly forever?: boolean;
}

export class FaultyDevice implements BlockDevice {
  readonly size: number;
  readonly readOnly: boolean;
  readonly name: string;
  private readonly base: BlockDevice;
  private readonly fault: Fault;
  private calls = 0;

  constructor(base: BlockDevice, fault: Fault) {
    this.size = base.size;
    this.readOnly = base.readOnly;
    this.name = `faulty ${base.name}`;
    this.base = base;
    this.fault = fault;
  }

  /** Whether the failing call has been reached. */
  get hasFailed(): boolean {
    return this.calls >= this.fault.call;
  }

  read(offset: number, into: Uint8Array): void {
    this.count('read');
    this.base.read(offset, into);
  }

  write(offset: number, from: Uint8Array): void {
    this.count('write');
    this.base.write(offset, from);
  }

  flush(): void {
    this.count('flush');
    this.base.flush();
  }

  close(): void {
    this.base.close();
  }

  private count(call: 'read' | 'write' | 'flush'): void {
    if (this.fault.of !== undefined && !this.fault.of.includes(call)) return;
    this.calls += 1;
    const fails = this.fault.forever === true ? this.hasFailed : this.calls === this.fault.call;
    if (fails) throw new FsError(this.fault.code, `${this.name}: ${call} fails on purpose (call ${this.calls})`);
  }
}
