export * from './errors.js';
export * from './fields.js';
export * from './ports.js';
