import assert from 'node:assert/strict';
import { hkdfSync } from 'node:crypto';
import { test } from 'node:test';
import { isZero, systemRandom, toHex } from '../../../src/bytes/index.js';
import {
  type CipherEngine,
  type ContentsCipher,
  type FilenamesCipher,
  type Hmac,
  portableEngine,
} from '../../../src/crypto/index.js';
import {
  type ExtentContextForm,
  Keyring,
  newExtentContext,
  newInodeContext,
  type Policy,
  parseExtentContext,
} from '../../../src/fscrypt/index.js';

/** Notes the keys it is given and which of its ciphers have been wiped. */
class NotingEngine implements CipherEngine {
  readonly name = 'noting';
  readonly keys: string[] = [];
  made = 0;
  wiped = 0;

  contentsCipher(_mode: number, key: Uint8Array): ContentsCipher {
    const wipe = this.note(key);
    return { encrypt() {}, decrypt() {}, wipe };
  }

  filenamesCipher(_mode: number, key: Uint8Array): FilenamesCipher {
    const wipe = this.note(key);
    return { encrypt: (name) => name, decrypt: (name) => name, wipe };
  }

  hmacSha512(key: Uint8Array): Hmac {
    return portableEngine.hmacSha512(key);
  }

  private note(key: Uint8Array): () => void {
    this.keys.push(toHex(key));
    this.made += 1;
    return () => {
      this.wiped += 1;
    };
  }
}

const raw = (length = 64, value = 3): Uint8Array => new Uint8Array(length).fill(value);

function policyFor(masterKeyIdentifier: Uint8Array, contentsMode = 1, filenamesMode = 4): Policy {
  return { contentsMode, filenamesMode, flags: 0, log2DataUnitSize: 0, masterKeyIdentifier };
}

test('adds, reports and removes keys', () => {
  using keyring = new Keyring({ engine: new NotingEngine() });
  const first = keyring.add(raw(64, 1));
  const second = keyring.add(raw(16, 2));
  assert.deepEqual(keyring.identifiers(), [first, second]);
  assert.equal(keyring.status(first), 'present');
  assert.ok(keyring.has(second));
  assert.ok(keyring.remove(first));
  assert.ok(!keyring.remove(first));
  assert.equal(keyring.status(first), 'absent');
  assert.ok(!keyring.has(first));
  assert.deepEqual(keyring.identifiers(), [second]);
});

test('a key has 16 to 64 bytes', () => {
  using keyring = new Keyring({ engine: new NotingEngine() });
  for (const length of [0, 15, 65]) assert.throws(() => keyring.add(raw(length)), { code: 'EINVAL' });
  assert.equal(keyring.generation, 0);
});

test('the generation grows when a key comes or goes, and only then', () => {
  using keyring = new Keyring({ engine: new NotingEngine() });
  const identifier = keyring.add(raw());
  const added = keyring.generation;
  keyring.add(raw());
  assert.equal(keyring.generation, added);
  keyring.remove(identifier);
  assert.ok(keyring.generation > added);
});

test('the caller keeps its own key bytes', () => {
  using keyring = new Keyring({ engine: new NotingEngine() });
  const mine = raw();
  const identifier = keyring.add(mine);
  keyring.remove(identifier);
  assert.deepEqual(mine, raw());
});

test('each kind of key is derived with its context byte, nonce and length', () => {
  const engine = new NotingEngine();
  using keyring = new Keyring({ engine });
  const policy = policyFor(keyring.add(raw()));
  const derived = (context: number, nonce: Uint8Array, length: number): string => {
    const info = Buffer.concat([Buffer.from('fscrypt\0'), Buffer.of(context), nonce]);
    return Buffer.from(hkdfSync('sha512', raw(), new Uint8Array(0), info, length)).toString('hex');
  };
  const inode = newInodeContext(policy, systemRandom);
  keyring.filenamesCipher(inode);
  assert.equal(engine.keys.at(-1), derived(2, inode.nonce, 32));
  const hkdfContexts: [ExtentContextForm, number][] = [
    ['item', 9],
    ['trailing', 2],
    ['interim', 8],
  ];
  for (const [form, hkdfContext] of hkdfContexts) {
    const made = newExtentContext(policy, form === 'trailing' ? 'trailing' : 'item', systemRandom);
    keyring.contentsCipher(parseExtentContext(made.bytes, form));
    assert.equal(engine.keys.at(-1), derived(hkdfContext, made.nonce, 64), form);
  }
});

test('an absent, short or unsuited key is refused', () => {
  using keyring = new Keyring({ engine: new NotingEngine() });
  const absent = policyFor(new Uint8Array(16).fill(0xab));
  const isNamed = { code: 'ENOKEY', message: /abababab/ };
  assert.throws(() => keyring.filenamesCipher(newInodeContext(absent, systemRandom)), isNamed);
  assert.throws(() => keyring.contentsCipher(newExtentContext(absent, 'item', systemRandom)), isNamed);
  assert.throws(() => keyring.hold(absent.masterKeyIdentifier), isNamed);

  const short = keyring.add(raw(16));
  assert.throws(() => keyring.contentsCipher(newExtentContext(policyFor(short), 'item', systemRandom)), {
    code: 'ENOKEY',
  });
  keyring.filenamesCipher(newInodeContext(policyFor(short, 5, 6), systemRandom));
  assert.throws(() => keyring.filenamesCipher(newInodeContext(policyFor(short, 1, 6), systemRandom)), {
    code: 'EINVAL',
  });
  for (const mode of [0, 4, 200]) {
    const extent = newExtentContext(policyFor(short, mode), 'item', systemRandom);
    assert.throws(() => keyring.contentsCipher(extent), { code: 'EINVAL' });
  }
});

test('ciphers are kept, and beyond the limit the one unused longest is wiped', () => {
  const engine = new NotingEngine();
  using keyring = new Keyring({ engine, maxCiphers: 2 });
  const policy = policyFor(keyring.add(raw()));
  const [a, b, c] = [1, 2, 3].map(() => newExtentContext(policy, 'item', systemRandom));
  assert.ok(a !== undefined && b !== undefined && c !== undefined);
  const cipher = keyring.contentsCipher(a);
  keyring.contentsCipher(b);
  assert.equal(keyring.contentsCipher(a), cipher);
  keyring.contentsCipher(c);
  assert.deepEqual([engine.made, engine.wiped], [3, 1]);
  assert.equal(keyring.contentsCipher(a), cipher);
});

test('removing a key leaves no byte of it in any buffer the keyring owned', () => {
  const engine = new NotingEngine();
  const buffers: Uint8Array[] = [];
  let keyBytesSeen = 0;
  const watch = (bytes: Uint8Array): void => {
    buffers.push(bytes);
    if (!isZero(bytes)) keyBytesSeen += 1;
  };
  using keyring = new Keyring({ engine, watch });
  const policy = policyFor(keyring.add(raw()));
  for (let count = 0; count < 5; count++) {
    keyring.filenamesCipher(newInodeContext(policy, systemRandom));
    keyring.contentsCipher(newExtentContext(policy, 'item', systemRandom));
  }
  keyring.remove(policy.masterKeyIdentifier);
  assert.equal(buffers.length, 11);
  assert.equal(keyBytesSeen, 11);
  for (const buffer of buffers) assert.ok(isZero(buffer));
  assert.deepEqual([engine.made, engine.wiped], [10, 10]);
});

test('a derived key is wiped even when no cipher comes of it', () => {
  const buffers: Uint8Array[] = [];
  const engine = new NotingEngine();
  engine.contentsCipher = () => {
    throw new Error('engine out of order');
  };
  using keyring = new Keyring({ engine, watch: (bytes) => buffers.push(bytes) });
  const policy = policyFor(keyring.add(raw()));
  assert.throws(() => keyring.contentsCipher(newExtentContext(policy, 'item', systemRandom)), /out of order/);
  assert.ok(isZero(buffers[1] ?? raw()));
});

test('an open file keeps its key through the removal', () => {
  const buffers: Uint8Array[] = [];
  using keyring = new Keyring({ engine: new NotingEngine(), watch: (bytes) => buffers.push(bytes) });
  const policy = policyFor(keyring.add(raw()));
  const extent = newExtentContext(policy, 'item', systemRandom);
  const first = keyring.hold(policy.masterKeyIdentifier);
  const second = keyring.hold(policy.masterKeyIdentifier);
  assert.ok(keyring.remove(policy.masterKeyIdentifier));
  assert.equal(keyring.status(policy.masterKeyIdentifier), 'incompletelyRemoved');
  assert.deepEqual(keyring.identifiers(), []);
  assert.throws(() => keyring.contentsCipher(extent), { code: 'ENOKEY' });
  assert.throws(() => keyring.hold(policy.masterKeyIdentifier), { code: 'ENOKEY' });
  first.contentsCipher(extent);
  first.release();
  first.release();
  assert.throws(() => first.contentsCipher(extent), { code: 'ENOKEY' });
  second.filenamesCipher(newInodeContext(policy, systemRandom));
  second.release();
  assert.equal(keyring.status(policy.masterKeyIdentifier), 'absent');
  for (const buffer of buffers) assert.ok(isZero(buffer));
});

test('adding a key again undoes an incomplete removal', () => {
  using keyring = new Keyring({ engine: new NotingEngine() });
  const identifier = keyring.add(raw());
  const hold = keyring.hold(identifier);
  keyring.remove(identifier);
  keyring.add(raw());
  assert.equal(keyring.status(identifier), 'present');
  hold.release();
  assert.equal(keyring.status(identifier), 'present');
});

test('closing wipes held keys too, and a hold left over gives no cipher of zeros', () => {
  const keyring = new Keyring({ engine: new NotingEngine() });
  const policy = policyFor(keyring.add(raw()));
  const hold = keyring.hold(policy.masterKeyIdentifier);
  keyring.close();
  assert.throws(() => hold.contentsCipher(newExtentContext(policy, 'item', systemRandom)), { code: 'ENOKEY' });
  keyring.add(raw());
  keyring.remove(policy.masterKeyIdentifier);
  keyring.add(raw());
  hold.release();
  assert.equal(keyring.status(policy.masterKeyIdentifier), 'present');
  keyring.close();
});
