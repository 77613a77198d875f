/**
 * Stands in for the kernel: asks what the kernel asks when programs make, list, read, change and
 * remove small files.
 */
import { invariant } from '../bytes/index.js';
import type { Received } from './channel.js';
import {
  CREATE_IN,
  ENTRY_OUT,
  GETXATTR_IN,
  IN_HEADER,
  MKDIR_IN,
  OPEN_IN,
  OPEN_OUT,
  OUT_HEADER,
  READ_IN,
  RELEASE_IN,
  SETATTR_IN,
  WRITE_IN,
} from './protocol/layouts.js';
import { FATTR, OPCODE, ROOT_ID } from './protocol/numbers.js';
import type { Reply } from './protocol/reply.js';
import type { Request } from './protocol/request.js';

/** Directories that are filled at a time, with files of so many bytes. */
const DIRECTORIES = 5;
const FILES = 64;
const FILE_SIZE = 4096;

const LISTING_SIZE = 32 * 1024;
const GETATTR_IN_SIZE = 16;
const FSYNC_IN_SIZE = 16;
const O_WRONLY = 1;
const TWO_32 = 0x1_0000_0000;

/** Each `yield` is a request that is ready; the reply is there when it returns. */
type Script<T = void> = Generator<undefined, T>;

export class ScriptedKernel {
  /** When it stops asking for now, in milliseconds of performance.now(). */
  pauseAt = 0;
  /** Nothing is left to ask. */
  isDone = false;
  private readonly request: Request;
  private readonly reply: Reply;
  private readonly script: Script;

  /** @param life - counts from 1: what the one before it has left is used and removed */
  constructor(request: Request, reply: Reply, life: number) {
    this.request = request;
    this.reply = reply;
    this.script = this.wholeLife(life);
  }

  receive(): Received {
    if (performance.now() >= this.pauseAt) return 'ended';
    this.isDone = this.script.next().done === true;
    return this.isDone ? 'ended' : 'request';
  }

  /** @throws InvariantError: nothing of the script can fail */
  send(): void {
    const error = this.reply.view.getInt32(OUT_HEADER.error, true);
    const isMissing = this.request.opcode === OPCODE.GETXATTR;
    invariant(error === 0 || isMissing, `the scripted request ${this.request.opcode} does not fail`);
  }

  private *wholeLife(life: number): Script {
    for (let i = 0; i < DIRECTORIES; i++) {
      if (life > 1) yield* this.useAndRemove(`${life - 1}-${i}`);
      yield* this.fill(`${life}-${i}`);
    }
  }

  private *fill(name: string): Script {
    yield* this.ask(OPCODE.LOOKUP, ROOT_ID, 0, name);
    this.put(MKDIR_IN.mode, 0o755);
    yield* this.ask(OPCODE.MKDIR, ROOT_ID, MKDIR_IN.SIZE, name);
    const directory = this.answer(ENTRY_OUT.nodeid);
    for (let i = 0; i < FILES; i++) {
      const file = yield* this.make(directory, `file ${i}`);
      if (i === 0) yield* this.ask(OPCODE.FSYNC, file, FSYNC_IN_SIZE);
      yield* this.forget(file, 1);
    }
    yield* this.forget(directory, 1);
  }

  private *useAndRemove(name: string): Script {
    yield* this.ask(OPCODE.LOOKUP, ROOT_ID, 0, name);
    const directory = this.answer(ENTRY_OUT.nodeid);
    this.put(READ_IN.size, LISTING_SIZE);
    yield* this.ask(OPCODE.READDIRPLUS, directory, READ_IN.SIZE);
    const files: number[] = [];
    for (let i = 0; i < FILES; i++) files.push(yield* this.read(directory, `file ${i}`));
    for (let i = 0; i < FILES; i++) yield* this.ask(OPCODE.UNLINK, directory, 0, `file ${i}`);
    for (const file of files) yield* this.forget(file, 2);
    yield* this.ask(OPCODE.RMDIR, ROOT_ID, 0, name);
    yield* this.forget(directory, 1);
  }

  private *make(directory: number, name: string): Script<number> {
    yield* this.ask(OPCODE.LOOKUP, directory, 0, name);
    this.put(CREATE_IN.flags, O_WRONLY);
    this.put(CREATE_IN.mode, 0o100644);
    yield* this.ask(OPCODE.CREATE, directory, CREATE_IN.SIZE, name);
    const file = this.answer(ENTRY_OUT.nodeid);
    const handle = this.answer(ENTRY_OUT.SIZE + OPEN_OUT.fh);
    yield* this.ask(OPCODE.GETXATTR, file, GETXATTR_IN.SIZE, 'security.capability');
    this.put(WRITE_IN.size, FILE_SIZE);
    yield* this.ask(OPCODE.WRITE, file, WRITE_IN.SIZE + FILE_SIZE);
    this.put(SETATTR_IN.valid, FATTR.MTIME_NOW | FATTR.MODE);
    this.put(SETATTR_IN.mode, 0o100600);
    yield* this.ask(OPCODE.SETATTR, file, SETATTR_IN.SIZE);
    this.put(RELEASE_IN.fh, handle);
    yield* this.ask(OPCODE.RELEASE, file, RELEASE_IN.SIZE);
    yield* this.ask(OPCODE.GETATTR, directory, GETATTR_IN_SIZE);
    return file;
  }

  private *read(directory: number, name: string): Script<number> {
    yield* this.ask(OPCODE.LOOKUP, directory, 0, name);
    const file = this.answer(ENTRY_OUT.nodeid);
    yield* this.ask(OPCODE.OPEN, file, OPEN_IN.SIZE);
    const handle = this.answer(OPEN_OUT.fh);
    this.put(READ_IN.size, FILE_SIZE);
    yield* this.ask(OPCODE.READ, file, READ_IN.SIZE);
    this.put(RELEASE_IN.fh, handle);
    yield* this.ask(OPCODE.RELEASE, file, RELEASE_IN.SIZE);
    return file;
  }

  private *forget(node: number, lookups: number): Script {
    this.put(0, lookups);
    yield* this.ask(OPCODE.FORGET, node, 8);
  }

  /** A number of the structure of the next request. */
  private put(at: number, value: number): void {
    this.request.view.setUint32(IN_HEADER.SIZE + at, value, true);
  }

  /** A number of the last reply. */
  private answer(at: number): number {
    return this.reply.view.getUint32(OUT_HEADER.SIZE + at, true);
  }

  /** Sends a request: the structure of `size` bytes that was put together, zeros where nothing was put, and a name. */
  private *ask(opcode: number, nodeid: number, size: number, name?: string): Script {
    const { bytes, view } = this.request;
    view.setUint32(IN_HEADER.opcode, opcode, true);
    view.setUint32(IN_HEADER.nodeid, nodeid % TWO_32, true);
    const named = IN_HEADER.SIZE + size;
    this.request.length = named + (name === undefined ? 0 : bytes.write(`${name}\0`, named));
    view.setUint32(IN_HEADER.len, this.request.length, true);
    yield;
    bytes.fill(0, 0, this.request.length);
  }
}
