/**
 * The cipher engine: every mode of fscrypt over one library of block ciphers, and the choice of
 * the library. A library that does not give the known answers is not used.
 */
import { FsError, invariant } from '../bytes/index.js';
import { Adiantum } from './adiantum.js';
import type { CipherEngine, ContentsCipher, FilenamesCipher } from './ciphers.js';
import { CtsCipher } from './cts.js';
import { DataUnitCipher } from './data-units.js';
import type { Hmac } from './digest.js';
import { EssivCipher } from './essiv.js';
import { Hctr2 } from './hctr2.js';
import { findWrongAnswer } from './known-answers.js';
import type { CipherLibrary } from './library.js';
import { EncryptionMode, encryptionMode } from './modes.js';
import { nodeLibrary } from './node-library.js';
import { opensslLibrary } from './openssl-library.js';
import { WideBlockContents, WideBlockFilenames } from './wide-block.js';
import { XtsCipher } from './xts.js';

class LibraryEngine implements CipherEngine {
  readonly name: string;
  readonly #library: CipherLibrary;

  constructor(library: CipherLibrary) {
    this.name = library.name;
    this.#library = library;
  }

  contentsCipher(mode: number, key: Uint8Array): ContentsCipher {
    checkKeySize(mode, key);
    const library = this.#library;
    switch (mode) {
      case EncryptionMode.AES_256_XTS:
        return new DataUnitCipher(library.open('aes-256-xts', key));
      case EncryptionMode.AES_128_CBC:
        return new DataUnitCipher(new EssivCipher(library, key));
      case EncryptionMode.SM4_XTS:
        return new DataUnitCipher(new XtsCipher(library, 'sm4-ecb', key));
      case EncryptionMode.ADIANTUM:
        return new WideBlockContents(new Adiantum(library, key));
      default:
        throw new FsError('EOPNOTSUPP', `${encryptionMode(mode).name} is not for file contents`);
    }
  }

  filenamesCipher(mode: number, key: Uint8Array): FilenamesCipher {
    checkKeySize(mode, key);
    const library = this.#library;
    switch (mode) {
      case EncryptionMode.AES_256_CTS:
        return new CtsCipher(library, 'aes-256-cbc', key);
      case EncryptionMode.AES_128_CTS:
        return new CtsCipher(library, 'aes-128-cbc', key);
      case EncryptionMode.SM4_CTS:
        return new CtsCipher(library, 'sm4-cbc', key);
      case EncryptionMode.ADIANTUM:
        return new WideBlockFilenames(new Adiantum(library, key));
      case EncryptionMode.AES_256_HCTR2:
        return new WideBlockFilenames(new Hctr2(library, key));
      default:
        throw new FsError('EOPNOTSUPP', `${encryptionMode(mode).name} is not for file names`);
    }
  }

  hmacSha512(key: Uint8Array): Hmac {
    return this.#library.hmacSha512(key);
  }
}

function checkKeySize(mode: number, key: Uint8Array): void {
  const { name, keySize } = encryptionMode(mode);
  if (key.length !== keySize) invariant(false, `${name} takes ${keySize} bytes of key, not ${key.length}`);
}

/** An engine over `library`, not yet proven. */
export function engineOver(library: CipherLibrary): CipherEngine {
  return new LibraryEngine(library);
}

/** The engine that runs on Node.js alone. */
export const portableEngine: CipherEngine = engineOver(nodeLibrary);

/** The engine that calls OpenSSL directly. @throws Error if this process has none it can call */
export function opensslEngine(): CipherEngine {
  return engineOver(opensslLibrary());
}

let chosen: CipherEngine | undefined;

/**
 * The fastest engine that gives the known answers; chosen once per process.
 *
 * @throws FsError EOPNOTSUPP if none does
 */
export function chooseEngine(): CipherEngine {
  chosen ??= firstProven([opensslEngine, () => portableEngine]);
  return chosen;
}

/** The first of `candidates` that can be made and proves itself. @throws FsError EOPNOTSUPP */
export function firstProven(candidates: readonly (() => CipherEngine)[]): CipherEngine {
  const reasons: string[] = [];
  for (const candidate of candidates) {
    try {
      const engine = candidate();
      const wrong = findWrongAnswer(engine);
      if (wrong === undefined) return engine;
      reasons.push(`${engine.name} is wrong in ${wrong}`);
    } catch (error) {
      // Whatever keeps a back end from loading, the next one may do without it.
      reasons.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new FsError('EOPNOTSUPP', `no cipher engine can be used: ${reasons.join('; ')}`);
}
