// An agent made of @elastic/opamp-client-node: takes a configuration, reports it, prints one JSON line per event.
'use strict';

const {createOpAMPClient, AgentCapabilities, RemoteConfigStatuses} = require('@elastic/opamp-client-node');
const diagnostics = require('node:diagnostics_channel');

const [endpoint, token, name, label] = process.argv.slice(2);
const [key, value] = label.split('=');
const say = (event, fields) => console.log(JSON.stringify({event, ...fields}));
const hex = (bytes) => Buffer.from(bytes).toString('hex');

const client = createOpAMPClient({
    endpoint,
    headers: {Authorization: `Bearer ${token}`},
    heartbeatIntervalSeconds: 1,
    diagEnabled: true,
    capabilities:
        AgentCapabilities.AgentCapabilities_AcceptsRemoteConfig |
        AgentCapabilities.AgentCapabilities_ReportsRemoteConfig,
    onMessage: ({remoteConfig}) => {
        if (!remoteConfig) {
            return;
        }
        const files = {};
        for (const [file, entry] of Object.entries(remoteConfig.config.configMap)) {
            files[file] = Buffer.from(entry.body).toString();
        }
        say('config', {hash: hex(remoteConfig.configHash), files});
        client.setRemoteConfigStatus({
            status: RemoteConfigStatuses.RemoteConfigStatuses_APPLIED,
            lastRemoteConfigHash: remoteConfig.configHash,
        });
    },
});

let known = false;
diagnostics.subscribe('opamp-client.send.success', ({a2s}) => {
    if (!known) {
        known = true;
        say('connected', {uid: hex(a2s.instanceUid)});
    }
});
diagnostics.subscribe('opamp-client.send.fail', ({err}) => say('send_failed', {error: String(err)}));

client.setAgentDescription({
    identifyingAttributes: {'service.name': name, 'service.version': '1.2.3'},
    nonIdentifyingAttributes: {[key]: value, 'os.type': 'linux'},
});
client.start();

// The client's timers do not keep the process alive.
setInterval(() => {}, 60_000);

process.on('SIGTERM', () => client.shutdown().then(() => process.exit(0)));
