package main

import "strings"

// regions are those with a runtime endpoint, from
// https://docs.aws.amazon.com/general/latest/gr/bedrock.html as of November 2026.
// Another one can be used all the same, with its hosts in the configuration.
var regions = []string{
	"us-east-1", "us-east-2", "us-west-1", "us-west-2", "us-gov-east-1", "us-gov-west-1",
	"ca-central-1", "ca-west-1", "mx-central-1", "sa-east-1",
	"eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3",
	"ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2",
	"ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-7",
	"af-south-1", "il-central-1", "me-central-1", "me-south-1",
}

func hostsOf(region string) []string {
	return []string{runtimeHost(region, false), runtimeHost(region, true), stsHost(region)}
}

func runtimeHost(region string, fips bool) string {
	name := "bedrock-runtime"
	if fips {
		name += "-fips"
	}
	return name + "." + region + "." + suffixOf(region)
}

func stsHost(region string) string { return "sts." + region + "." + suffixOf(region) }

func suffixOf(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}
