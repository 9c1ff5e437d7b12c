# Start-up script of the demonstration IOC; TOP is the directory of this file.
epicsEnvSet("IOCSH_PS1", "demo-ioc > ")
dbLoadRecords("$(TOP)/demo.db", "P=demo")
iocInit
