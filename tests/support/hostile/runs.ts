/** How much random damage is tried: BUTTERLOCK_DAMAGE_RUNS multiplies it, BUTTERLOCK_DAMAGE_SEED repeats a run. */
const FACTOR = Number(process.env.BUTTERLOCK_DAMAGE_RUNS ?? 1);
const SEED = process.env.BUTTERLOCK_DAMAGE_SEED;
/** The default run is the same everywhere; a longer one goes elsewhere each time. */
const DEFAULT_SEED = 20_261_122;

/** Parameters for fast-check. */
export function runsOf(numRuns: number): { numRuns: number; seed: number; endOnFailure: boolean } {
  const seed = SEED === undefined ? (FACTOR === 1 ? DEFAULT_SEED : Date.now() & 0x7fff_ffff) : Number(SEED);
  return { numRuns: Math.ceil(numRuns * FACTOR), seed, endOnFailure: false };
}

/** The stride through a series that the default run only samples. A longer run tries every member. */
export function everyNth(stride: number): number {
  return Math.max(1, Math.floor(stride / FACTOR));
}
