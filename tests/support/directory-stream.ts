/** opendir(3) and what goes with it: Node has no way to tell or choose a place in a listing. */
import koffi from 'koffi';

const libc = koffi.load(null);

const opendir = libc.func('void *opendir(const char *path)');
const readdir = libc.func('void *readdir(void *stream)');
const telldir = libc.func('int64_t telldir(void *stream)');
const seekdir = libc.func('void seekdir(void *stream, int64_t place)');
const rewinddir = libc.func('void rewinddir(void *stream)');
const closedir = libc.func('int closedir(void *stream)');

/** Where in `struct dirent` the name is, in a 64-bit C library. */
const NAME_AT = 19;

export class DirectoryStream {
  private readonly stream: unknown;

  constructor(path: string) {
    this.stream = opendir(path);
    if (this.stream === null) throw new Error(`${path} cannot be listed`);
  }

  /** @returns the next name; undefined at the end */
  read(): string | undefined {
    const entry: unknown = readdir(this.stream);
    return entry === null ? undefined : String(koffi.decode(entry, NAME_AT, 'char', -1));
  }

  /** Where the next name is. */
  tell(): number {
    return Number(telldir(this.stream));
  }

  seek(place: number): void {
    seekdir(this.stream, place);
  }

  rewind(): void {
    rewinddir(this.stream);
  }

  close(): void {
    closedir(this.stream);
  }
}
