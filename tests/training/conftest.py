import stand_ins

stand_ins.install()
