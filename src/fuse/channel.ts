/**
 * The two ends of a conversation with the kernel: requests read from /dev/fuse, replies written to it.
 *
 * Waking a sleeping process takes longer than answering most requests. So after each answer the
 * device is asked again some hundred times before the thread goes to sleep; without traffic it
 * sleeps at once.
 */
import { constants } from 'node:os';
import { codeOfErrno } from '../bytes/index.js';
import type { Reply } from './protocol/reply.js';
import type { Request } from './protocol/request.js';
import { type Address, addressOf, errno, pollAt, readInto, writeFrom } from './system-calls.js';

/** Tries before sleeping: about as long as a wake-up takes. */
const TRIES = 200;
const POLLIN = 1;
/** `struct pollfd`: int fd, short events, short revents. */
const POLLFD_SIZE = 8;

const { EAGAIN, EINTR, ENODEV, ENOENT, ECONNABORTED } = constants.errno;

/**
 * What became of waiting for a request: it is there, time ran out, another thread wants attention,
 * or the mount has ended.
 */
export type Received = 'request' | 'timeout' | 'woken' | 'ended';

export class Channel {
  private readonly fd: number;
  private readonly request: Request;
  private readonly requestAddress: Address;
  private readonly reply: Reply;
  private readonly replyAddress: Address;
  private readonly event: number;
  private readonly pollBytes = Buffer.alloc(2 * POLLFD_SIZE);
  private readonly pollAddress: Address;
  private readonly eventBytes = Buffer.alloc(8);
  private readonly eventAddress: Address;
  private tries = 0;

  /**
   * @param fd - of /dev/fuse, opened with O_NONBLOCK
   * @param event - descriptor of an eventfd by which other threads ask for attention
   */
  constructor(fd: number, event: number, request: Request, reply: Reply) {
    this.fd = fd;
    this.event = event;
    this.request = request;
    this.reply = reply;
    this.requestAddress = addressOf(request.bytes);
    this.replyAddress = addressOf(reply.bytes);
    this.pollAddress = addressOf(this.pollBytes);
    this.eventAddress = addressOf(this.eventBytes);
    this.pollBytes.writeInt32LE(fd, 0);
    this.pollBytes.writeInt16LE(POLLIN, 4);
    this.pollBytes.writeInt32LE(event, POLLFD_SIZE);
    this.pollBytes.writeInt16LE(POLLIN, POLLFD_SIZE + 4);
  }

  /** Waits for the next request. @param milliseconds - how long at most */
  receive(milliseconds: number): Received {
    const { fd, request, requestAddress } = this;
    const size = request.bytes.length;
    for (;;) {
      const length = readInto(fd, requestAddress, size);
      if (length > 0) {
        request.length = length;
        this.tries = TRIES;
        return 'request';
      }
      const error = errno();
      // ENOENT: the request was interrupted before it could be read.
      if (error === ENODEV || error === ECONNABORTED || length === 0) return 'ended';
      if (error !== EAGAIN && error !== EINTR && error !== ENOENT) throw new Error(`/dev/fuse: ${codeOfErrno(error)}`);
      if (error === EAGAIN && --this.tries <= 0) {
        const woken = this.sleep(milliseconds);
        if (woken !== undefined) return woken;
      }
    }
  }

  private sleep(milliseconds: number): 'timeout' | 'woken' | undefined {
    this.pollBytes.writeInt16LE(0, 6);
    this.pollBytes.writeInt16LE(0, POLLFD_SIZE + 6);
    const ready = pollAt(this.pollAddress, 2, milliseconds);
    if (ready === 0) return 'timeout';
    if (this.pollBytes.readInt16LE(POLLFD_SIZE + 6) === 0) return undefined;
    readInto(this.event, this.eventAddress, this.eventBytes.length);
    return 'woken';
  }

  /** Sends the reply that is ready. The kernel answers ENOENT when nobody waits for it any more. */
  send(): void {
    writeFrom(this.fd, this.replyAddress, this.reply.length);
  }
}
