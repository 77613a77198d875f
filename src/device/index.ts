export * from './device.js';
export * from './faulty.js';
export * from './file.js';
export * from './gathering.js';
export * from './memory.js';
export * from './overlay.js';
export * from './power-cut.js';
export * from './recording.js';
