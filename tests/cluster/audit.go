package main

// auditPolicy keeps who did what, once per request when it is complete. Tests judge the controller by it, so writes
// to what they look at carry their bodies. Reads, leases (many, dull) and anything secret are kept without bodies.
// managedFields are left out: they double the size and say nothing that the requests do not say.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
omitManagedFields: true
rules:
- level: Metadata
  verbs: [get, list, watch]
- level: Metadata
  resources:
  - group: coordination.k8s.io
  - group: ""
    resources: [secrets, serviceaccounts/token]
- level: RequestResponse
  resources:
  - group: tidegate.dev
  - group: apps
  - group: batch
  - group: events.k8s.io
- level: Request
  resources:
  - group: ""
- level: Metadata
`
