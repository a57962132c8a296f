// Package provider starts provider adapters, keeps them running and publishes
// where their operations are served. It stands beside the path of requests:
// requests only load what was published last.
//
// An adapter is a claim to be checked, not a part of the gateway: what is
// executed is a sealed copy whose hash was compared with the pin, it sees
// nothing of the gateway's environment, it cannot outlive it, and a lease that
// would carry a credential to a host that the operator did not list is refused.
package provider
