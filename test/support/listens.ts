// A program for child_process.fork(): lives as long as its channel.
process.on('message', () => {});
