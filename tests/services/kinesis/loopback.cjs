// Loaded before a server of Kinesis: it listens on 127.0.0.1, whatever it asks for. Neither of them has a setting for that.
'use strict';

const net = require('node:net');

const loopback = '127.0.0.1';
const { listen } = net.Server.prototype;

net.Server.prototype.listen = function (...args) {
    if (args[0] !== null && typeof args[0] === 'object') {
        args[0] = { ...args[0], host: loopback };
    } else if (typeof args[1] === 'string') {
        args[1] = loopback;
    } else {
        args.splice(1, 0, loopback);
    }
    return listen.apply(this, args);
};
